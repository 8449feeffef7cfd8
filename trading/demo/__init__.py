"""A demo site: markets, users, and bots that trade. Only while DEBUG is on."""
