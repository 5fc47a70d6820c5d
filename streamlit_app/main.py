"""The frame around every page, which Streamlit runs anew for every view of it."""

from headwork.streamlit_app import frame

frame.show()
