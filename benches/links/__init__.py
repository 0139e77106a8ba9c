"""A project's own app: who a token may act for, as pretix has it."""
