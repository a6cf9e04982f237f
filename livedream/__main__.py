"""``python -m livedream``: the same command as ``livedream``."""

if __name__ == "__main__":
    from livedream.cli.main import main

    raise SystemExit(main())
