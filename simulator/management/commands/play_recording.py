"""`manage.py play_recording FILE... --speed 10`: recorded sessions as live markets.

Serves the exchange; each recording's book and trades happen in a market of its own, at the recorded
pace times the speed, and it settles by its recorded result. docs/simulator.md
"""

from simulator.management.commands.simulate import RecordingCommand


class Command(RecordingCommand):
    help = "Serve recorded sessions as live markets, in which others can trade."
