"""The page, which Streamlit runs anew for every view of it."""

from headwork.streamlit_app.page import show

show()
