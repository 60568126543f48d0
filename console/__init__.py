"""The console: what administrators see and do in a browser (manual facts S1 to S13). It reads PostgreSQL and asks for
everything else by signed commands; it writes nothing but who is signed in and what they did."""
