//! The bus in tables of a SQLite file.
