"""Entry of `python -m model_registry`. See model_registry.cli."""

import sys

from model_registry.cli import main

sys.exit(main())
