"""Run the benchmarks: ``python -m benchmarks [W1 W4 ...] [--rounds N] [--json FILE]``.

``python -m benchmarks gradcheck`` counts instead how often gradient checkers are wrong, and ``blame`` how often the
operation that is wrong is named. ``fit`` fits logistic regression to all songs, beside scikit-learn; ``data`` measures
what time and memory a file of all songs needs.
"""

import os
import sys

if __name__ == "__main__":
    # Read when NumPy, PyTorch or JAX are loaded: before any of them is.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[name] = "1"
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    os.environ["NPROC"] = "1"  # the size of XLA's pool of threads, which that flag leaves at the number of cores

    if sys.argv[1:2] == ["gradcheck"]:
        from .gradcheck_rates import main

        sys.exit(main(sys.argv[2:]))
    if sys.argv[1:2] == ["blame"]:
        from .blame_rates import main

        sys.exit(main(sys.argv[2:]))
    if sys.argv[1:2] == ["data"]:
        from .year_prediction_data import main

        sys.exit(main(sys.argv[2:]))
    if sys.argv[1:2] == ["fit"]:
        from .year_prediction_fit import main

        sys.exit(main(sys.argv[2:]))

    from .harness import main

    sys.exit(main(sys.argv[1:]))
