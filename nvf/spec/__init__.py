"""What a sweep file may say, as types: every room that needs a setting reads it from here."""
