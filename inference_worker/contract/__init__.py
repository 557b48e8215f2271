"""What crosses the border between the platform and an inference worker. Standard library only.

The platform writes orders and reads events; the worker reads orders and writes events. Both import these names from here
and from nowhere else. A change that an older peer could not read raises CONTRACT_VERSION.
"""

CONTRACT_VERSION = 1
