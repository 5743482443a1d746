"""`python -m relweave`."""

import sys

from .cli import main

sys.exit(main())
