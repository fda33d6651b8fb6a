# Licensed under the MIT License.

from .layermatch import LayerMatch as LayerMatch
