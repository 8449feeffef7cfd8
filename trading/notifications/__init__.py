"""What people are told on the site and by mail."""
