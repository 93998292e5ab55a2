"""`python -m tests.controller.skewed`: `authz controller` on a machine whose clocks are ahead."""

import sys
import time
from pathlib import Path

from authz.controller import run
from authz.controller.controller import Clocks

if __name__ == "__main__":
    config, ahead = Path(sys.argv[1]), float(sys.argv[2])
    sys.exit(run.control(config, Clocks(lambda: time.monotonic() + ahead, lambda: time.time() + ahead)))
