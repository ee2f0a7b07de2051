"""Context, its version, dimensions and predictions by day."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

CONTEXT = ("sites", "asset_types", "assets", "tags", "bindings")
NAMED_DIMENSIONS = ("dim_site", "dim_asset_type", "dim_binding", "dim_run", "dim_variant")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_context()
    _raise_version_with_every_change()
    _create_dimensions()
    _create_predictions()
    _make_partitions_on_demand()
    _create_views()


def downgrade() -> None:
    op.execute("DROP VIEW v_forecast_points, v_predictions, v_all_predictions")
    op.execute("DROP TABLE predictions, dim_asset, dim_model_version")
    op.execute(f"DROP TABLE {', '.join(NAMED_DIMENSIONS)}")
    op.execute("DROP FUNCTION ensure_predictions_partition(date)")
    op.execute("DROP TABLE bindings, tags, assets, asset_types, sites, context_version")
    op.execute("DROP FUNCTION raise_context_version()")


def _create_context() -> None:
    for name in ("sites", "asset_types"):
        op.create_table(name, sa.Column("name", sa.Text, primary_key=True))
    op.create_table(
        "assets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("site", sa.Text, sa.ForeignKey("sites.name"), nullable=False),
        sa.Column("asset_type", sa.Text, sa.ForeignKey("asset_types.name"), nullable=False),
        sa.Column("prefixes", sa.ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
    )
    op.create_table(
        "tags",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("gateway_id", sa.Text),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column(
            "asset", sa.Text, sa.ForeignKey("assets.name", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("gateway_id", "path", postgresql_nulls_not_distinct=True),
    )
    op.create_table(
        "bindings",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("body", postgresql.JSONB, nullable=False),
        sa.Column("etag", sa.Text, nullable=False),
        sa.Column("updated_at", TIME, nullable=False, server_default=sa.func.now()),
    )
    op.create_table(
        "context_version",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.CheckConstraint("id = 1", name="single"),
    )
    op.execute("INSERT INTO context_version (id) VALUES (1)")


def _raise_version_with_every_change() -> None:
    op.execute(
        """
        CREATE FUNCTION raise_context_version() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE context_version SET version = version + 1 WHERE id = 1;
            RETURN NULL;
        END $$
        """
    )
    for table in CONTEXT:
        op.execute(
            f"""
            CREATE TRIGGER raise_context_version
            AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION raise_context_version()
            """
        )


def _create_dimensions() -> None:
    for name in NAMED_DIMENSIONS:
        op.create_table(name, _key(), sa.Column("name", sa.Text, nullable=False, unique=True))
    op.create_table(
        "dim_asset",
        _key(),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("site_id", sa.Integer, nullable=False),
        sa.Column("asset_type_id", sa.Integer, nullable=False),
    )
    op.create_table(
        "dim_model_version",
        _key(),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("job", sa.Text),
        sa.Column("dataset", sa.Text),
        sa.Column("trained_to", TIME),
        sa.UniqueConstraint("model", "version"),
    )
    op.execute("INSERT INTO dim_run (id, name) VALUES (0, 'live')")


def _key() -> sa.Column:
    return sa.Column("id", sa.Integer, sa.Identity(), primary_key=True)


def _create_predictions() -> None:
    op.create_table(
        "predictions",
        sa.Column("event_time", TIME, primary_key=True),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("predicted_at", TIME, nullable=False),
        sa.Column("stored_at", TIME, nullable=False, server_default=sa.func.now()),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("probability", sa.Double),
        sa.Column("threshold", sa.Double),
        sa.Column("binding_id", sa.Integer, primary_key=True),
        sa.Column("asset_id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Integer, primary_key=True),
        sa.Column("model_version_id", sa.Integer, nullable=False),
        sa.Column("features_missing", sa.Integer, nullable=False),
        sa.Column("flags", sa.Integer, nullable=False),
        sa.Column("variant_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("decision", sa.SmallInteger),
        sa.Column("quality", sa.SmallInteger, nullable=False),
        sa.Column("pack_id", sa.Text(collation="C"), nullable=False),
        sa.Column("trace_id", sa.LargeBinary),
        sa.Column("forecast_start", TIME),
        sa.Column("forecast_step_seconds", sa.Integer),
        sa.Column("quantile_levels", sa.ARRAY(sa.Double)),
        sa.Column("quantile_values", sa.ARRAY(sa.Double)),
        postgresql_partition_by="RANGE (event_time)",
    )


def _make_partitions_on_demand() -> None:
    # Attaching an existing table takes a lock that lets others write on; CREATE ... PARTITION OF
    # would wait for all of them. The lock is the one that attaching takes: of two writers that want
    # a new day the second waits, then sees it. Bounds are in UTC, whatever the session's zone.
    op.execute(
        """
        CREATE FUNCTION ensure_predictions_partition(day date) RETURNS boolean
        LANGUAGE plpgsql AS $$
        DECLARE
            partition text := 'predictions_' || to_char(day, 'YYYYMMDD');
            since text := to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00';
            until text := to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00';
        BEGIN
            IF to_regclass(partition) IS NOT NULL THEN
                RETURN false;
            END IF;
            LOCK TABLE predictions IN SHARE UPDATE EXCLUSIVE MODE;
            IF to_regclass(partition) IS NOT NULL THEN
                RETURN false;
            END IF;
            EXECUTE format(
                'CREATE TABLE %I (LIKE predictions INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                partition);
            EXECUTE format(
                'ALTER TABLE predictions ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                partition, since, until);
            RETURN true;
        END $$
        """
    )


def _create_views() -> None:
    op.execute(
        """
        CREATE VIEW v_all_predictions AS
        SELECT dim_run.name AS run, dim_binding.name AS binding, dim_asset.name AS asset,
            dim_site.name AS site, dim_asset_type.name AS asset_type,
            dim_model_version.model, dim_model_version.version AS model_version,
            dim_variant.name AS variant,
            p.event_time, p.received_at, p.predicted_at, p.stored_at, p.revision, p.kind,
            p.value, p.probability, p.threshold, p.decision, p.quality, p.features_missing,
            p.flags, p.pack_id, p.trace_id
        FROM predictions p
        JOIN dim_run ON dim_run.id = p.run_id
        JOIN dim_binding ON dim_binding.id = p.binding_id
        JOIN dim_asset ON dim_asset.id = p.asset_id
        JOIN dim_site ON dim_site.id = dim_asset.site_id
        JOIN dim_asset_type ON dim_asset_type.id = dim_asset.asset_type_id
        JOIN dim_model_version ON dim_model_version.id = p.model_version_id
        JOIN dim_variant ON dim_variant.id = p.variant_id
        """
    )
    op.execute(
        """
        CREATE VIEW v_predictions AS
        SELECT binding, asset, site, asset_type, model, model_version, variant, event_time,
            received_at, predicted_at, stored_at, revision, kind, value, probability, threshold,
            decision, quality, features_missing, flags, pack_id, trace_id
        FROM v_all_predictions WHERE run = 'live'
        """
    )
    op.execute(
        """
        CREATE VIEW v_forecast_points AS
        SELECT dim_binding.name AS binding, dim_asset.name AS asset, dim_site.name AS site,
            p.event_time,
            p.forecast_start + make_interval(secs => p.forecast_step_seconds * point.step)
                AS target_time,
            point.step, p.quantile_levels[point.level] AS quantile, point.value
        FROM predictions p
        CROSS JOIN LATERAL (
            SELECT v.value,
                ((v.position - 1) / cardinality(p.quantile_levels))::integer AS step,
                ((v.position - 1) % cardinality(p.quantile_levels) + 1)::integer AS level
            FROM unnest(p.quantile_values) WITH ORDINALITY AS v (value, position)
        ) AS point
        JOIN dim_binding ON dim_binding.id = p.binding_id
        JOIN dim_asset ON dim_asset.id = p.asset_id
        JOIN dim_site ON dim_site.id = dim_asset.site_id
        WHERE p.run_id = 0 AND cardinality(p.quantile_levels) > 0
        """
    )
