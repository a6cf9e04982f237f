"""livedream's command, for a checkout: the mirror, and its tools. ``live.py --help`` lists them."""

if __name__ == "__main__":
    from livedream.cli.main import main

    raise SystemExit(main())
