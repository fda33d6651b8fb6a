# Licensed under the MIT License.

from .influence import Influence as Influence
