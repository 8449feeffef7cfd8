"""A site to try predex on: markets, people, and programs that trade. Only while DEBUG is on."""
