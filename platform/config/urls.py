"""URLs."""
urlpatterns: list = []
