"""What every HTTP request needs: its context, rate limits, fields, pagination, errors."""
