# Licensed under the MIT License.

from .smoothfixmatch import SmoothFixMatch as SmoothFixMatch
