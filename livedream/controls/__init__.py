"""Whatever turns a knob: the keyboard today. A control makes an action; ``apply`` makes the next settings."""
