"""Programs without our code that the console and the webhook are compared with. Each runs in a process of its own."""
