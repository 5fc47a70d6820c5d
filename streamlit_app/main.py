"""What `headwork serve` starts: Streamlit runs this file for every view of the page."""

from headwork.streamlit_app.page import show

show()
