"""Run the command line as `python -m ddc`."""

import sys

from .cli import main

sys.exit(main())
