"""`python -m polyfield` is `polyfield`."""

import sys

from polyfield.cli import main

sys.exit(main())
