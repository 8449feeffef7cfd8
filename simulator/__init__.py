"""A bench for programs: recordings as live markets, delays and faults, a report. docs/simulator.md.

Nothing of it runs unless SIMULATOR is set; delays and faults are those that a key asked for itself.
"""
