"""How the installation is, for every page of a process."""
