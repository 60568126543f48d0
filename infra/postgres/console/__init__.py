"""What the console itself stores: sign-ins, sessions, its audit log; and the hints that its open pages wait for."""
