"""The record of a study, and everything that follows from it. Imports no other room."""
