"""Figures of a model with their uncertainty. Offline only."""
