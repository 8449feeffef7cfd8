"""What every request needs, whoever serves it: door, limits, fields, pagination, errors."""
