"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

moment = sa.DateTime(timezone=True)
pending = sa.text("state = 'pending'")


def learner(primary_key: bool = False) -> sa.Column[int]:
    return sa.Column("learner_id", sa.Integer, sa.ForeignKey("learners.id"), nullable=False, primary_key=primary_key)


def upgrade() -> None:
    op.create_table(
        "learners",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("created", moment, nullable=False),
    )
    op.create_table(
        "submissions",
        sa.Column("id", sa.Integer, primary_key=True),
        learner(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("seed", sa.Text, nullable=False),
        sa.Column("sources", sa.Text, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("request", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("finished", moment),
        sa.Column("isolation", sa.Text),
        sa.Column("versions", sa.Text),
        sa.Column("problem", sa.Text),
        sa.CheckConstraint("state in ('pending', 'done')", name="submission_state"),
    )
    op.create_index(
        "one_pending_submission_a_request",
        "submissions",
        ["learner_id", "request"],
        unique=True,
        sqlite_where=pending,
        postgresql_where=pending,
    )
    op.create_index("submissions_by_state", "submissions", ["state"])
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("submission_id", sa.Integer, sa.ForeignKey("submissions.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("exercise", sa.Text, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("points", sa.Double, nullable=False),
        sa.Column("out_of", sa.Double, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("mistake", sa.Text, nullable=False),
        sa.Column("whole", sa.Text, nullable=False),
        sa.UniqueConstraint("submission_id", "exercise", name="one_verdict_an_exercise"),
    )
    op.create_index("verdicts_by_exercise", "verdicts", ["exercise", "submission_id"])
    op.create_table(
        "drafts",
        learner(primary_key=True),
        sa.Column("exercise", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("updated", moment, nullable=False),
    )
    op.create_table(
        "hints",
        learner(primary_key=True),
        sa.Column("exercise", sa.Text, primary_key=True),
        sa.Column("taken", sa.Integer, nullable=False),
        sa.Column("updated", moment, nullable=False),
    )
    op.create_table(
        "solution_views",
        sa.Column("id", sa.Integer, primary_key=True),
        learner(),
        sa.Column("exercise", sa.Text, nullable=False),
        sa.Column("forced", sa.Boolean, nullable=False),
        sa.Column("seen", moment, nullable=False),
    )
    op.create_index("solution_views_by_exercise", "solution_views", ["learner_id", "exercise"])
    op.create_table(
        "places",
        learner(primary_key=True),
        sa.Column("chapter", sa.Text, primary_key=True),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("updated", moment, nullable=False),
    )


def downgrade() -> None:
    for table in ("places", "solution_views", "hints", "drafts", "verdicts", "submissions", "learners"):
        op.drop_table(table)
