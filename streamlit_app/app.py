"""What `headwork serve` starts."""

import streamlit as st

app = st.App("main.py")
