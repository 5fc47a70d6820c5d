"""What `headwork serve` starts: the page, and the files that it fetches beside it."""

import streamlit as st

from headwork.streamlit_app.components import assets

app = st.App("main.py", routes=[assets.route()])
