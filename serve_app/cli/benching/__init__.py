"""What `./council bench` is made of, beside its command: its folder, its trials, how far it is."""
