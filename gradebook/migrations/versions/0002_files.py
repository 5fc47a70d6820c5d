"""Files that come along with submissions and drafts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def file() -> sa.Column[str]:
    return sa.Column("sha256", sa.String, sa.ForeignKey("files.sha256"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "files",
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "attachments",
        sa.Column("submission_id", sa.Integer, sa.ForeignKey("submissions.id"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        file(),
        sa.Column("flaw", sa.Text, nullable=False),
    )
    op.create_table(
        "draft_files",
        sa.Column("learner_id", sa.Integer, sa.ForeignKey("learners.id"), primary_key=True),
        sa.Column("chapter", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        file(),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    for table in ("draft_files", "attachments", "files"):
        op.drop_table(table)
