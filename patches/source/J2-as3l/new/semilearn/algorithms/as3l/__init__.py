# Licensed under the MIT License.

from .as3l import AS3L as AS3L
