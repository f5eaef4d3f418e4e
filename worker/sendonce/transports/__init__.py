"""Ways to reach the SQL functions of the worker surface."""
