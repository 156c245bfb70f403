"""The configuration: what is refused and how it is said, and that the written one is whole."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config import LISTED, Config, load, parse, sections
from bot.config_template import reference, template, toml
from bot.config_values import seconds
from bot.errors import ConfigError

SOURCE = '[[source]]\nname = "a"\nkind = "folder"\npath = "x"\n'


def told(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.toml")
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith("f.toml")
    return line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[retreival]\n", "unknown key 'retreival'; did you mean 'retrieval'?"),
        ("[retrieval]\npasages = 3\n", "unknown key 'retrieval.pasages'; did you mean 'passages'?"),
        (
            SOURCE + SOURCE.replace('"a"', '"b"') + "exlude = []\n",
            "'source[2].exlude'; did you mean 'exclude'?",
        ),
        ('[[source]]\nname = "a"\nkind = "folder"\npth = "x"\n', "'source[1].pth'; did you mean 'path'?"),
        ('[[collection]]\nname = "a"\nrefuse = 1\n', "did you mean 'refuse_below'?"),
        (
            "zzz = 1\n",
            "known here: access, bot, channel, collection, discord, embedding, limits, lora, model",
        ),
        ('[[source]]\nname = "a"\nkind = "folder"\n', "'source[1].path' is missing; add it"),
        (
            '[[source]]\nname = "a"\nkind = "wiki"\npath = "x"\n',
            "source[1].kind = 'wiki': it should be 'folder'",
        ),
        (
            '[[source]]\nname = "a b"\nkind = "folder"\npath = "x"\n',
            "source[1].name = 'a b': it may hold letters",
        ),
        (SOURCE + 'include = "*.md"\n', "source[1].include = '*.md': it should be a list in [brackets]"),
        (SOURCE + "exclude = [1]\n", "source[1].exclude[1] = 1: it should be text in quotes"),
        (SOURCE + SOURCE, "two [[source]] are called 'a'; give each its own name"),
        ('[source]\nname = "a"\n', "'source' is a section; write it as [[source]] with its keys below"),
        ("model = 3\n", "'model' is a section; write it as [model] with its keys below"),
        ("source = [3]\n", "'source[1]' is a section; write it as [[source]]"),
        ("[model]\ngpu_layers = 1.5\n", "model.gpu_layers = 1.5: it should be a whole number or 'auto'"),
        ('[retrieval]\npassages = "5"\n', "retrieval.passages = '5': it should be a whole number"),
        ("[retrieval]\npassages = 50\n", "retrieval.passages = 50: it should be less than or equal to 20"),
        ("[limits]\nfile_mb = true\n", "limits.file_mb = True: it should be a whole number"),
        (f'[bot]\npersona = "{"x" * 500}"\n', "...: it should have at most 400 characters"),
        (
            SOURCE.replace('"x"', '"~nosuchuser/x"'),
            "source[1].path = '~nosuchuser/x': nobody's home folder is known here as '~nosuchuser'",
        ),
        ('[model]\npath = "~nosuchuser/x"\n', "model.path = '~nosuchuser/x': nobody's home folder"),
        ('[retrieval]\njudge = "a\\u0000"\n', "retrieval.judge = 'a\\x00': no path may hold the sign NUL"),
        ('[retrieval]\nreranker = "a\\u0000"\n', "retrieval.reranker = 'a\\x00': no path may hold"),
        ('[embedding]\nmodel = "a\\u0000"\n', "embedding.model = 'a\\x00': no path may hold"),
        ('[schedule]\ngolden = "a\\u0000"\n', "schedule.golden = 'a\\x00': no path may hold"),
        ('[[lora]]\nname = "a"\npath = "a\\u0000"\n', "lora[1].path = 'a\\x00': no path may hold"),
        ("[limits]\nfile_seconds = inf\n", "limits.file_seconds = inf: it should be a finite number"),
        (
            "[limits]\nfile_seconds = 1e9\n",
            "limits.file_seconds = 1000000000.0: it should be less than or equal",
        ),
        (
            "[limits]\nquestion_age_hours = inf\n",
            "limits.question_age_hours = inf: it should be a finite number",
        ),
        ("[limits]\ndrain_seconds = nan\n", "limits.drain_seconds = nan: it should be a finite number"),
        ("[model]\nthreads = 5000\n", "model.threads = 5000: it should be less than or equal to 1024"),
        ("[embedding]\nthreads = 5000\n", "embedding.threads = 5000: it should be less than or equal to"),
        (
            '[embedding]\nquery_prompt = "query: "\n',
            "[embedding] query_prompt and document_prompt belong to a model of your own: name it as model",
        ),
        ("[model]\ndeadline_s = inf\n", "model.deadline_s = inf: it should be a finite number"),
        ("[discord]\nbackfill_hours = inf\n", "discord.backfill_hours = inf: it should be a finite number"),
        ("[discord]\nbackfill_hours = 1e300\n", "discord.backfill_hours = 1e+300: it should be less than"),
        ("[slack]\nbackfill_hours = 1e300\n", "slack.backfill_hours = 1e+300: it should be less than"),
        ("[limits]\nfile_memory_mb = 99999999\n", "limits.file_memory_mb = 99999999: it should be less"),
        (SOURCE + 'every = "1 hour"\n', "source[1].every = '1 hour': it should be a time such as \"90s\""),
        (
            "[schedule]\nhold = true\n",
            "[schedule] hold = true needs questions to judge an index by: set golden",
        ),
        ('[schedule]\nevery = "0m"\n', "schedule.every = '0m': it should be a time"),
        (SOURCE + 'cron = "30 6 * *"\n', "source[1].cron = '30 6 * *': it should be five fields"),
        ('[[collection]]\nname = "a"\nreaders = ["all"]\n', "readers = ['all']: it should be \"everyone\""),
        ('[access]\nadmins = ["slack:group:S01"]\n', "it should be a person, such as"),
        ('[[channel]]\nid = "general"\n', "channel[1].id = 'general': it should be a channel"),
        (
            '[[channel]]\nid = "slack:channel:C01"\nlanguage = "xx"\n',
            "channel[1].language = 'xx': it should be",
        ),
        (
            SOURCE + '[[channel]]\nid = "slack:channel:C01"\ncollections = ["legal"]\n',
            "[[channel]] slack:channel:C01 names the collection 'legal', which no source has; there is: main",
        ),
        ('[[channel]]\nid = "slack:channel:C01"\n' * 2, "two [[channel]] are called 'slack:channel:C01'"),
        ("[discord]\nguilds = [123]\n", "discord.guilds[1] = 123: it should be text in quotes"),
        ('[discord]\nguilds = ["abc"]\n', "it should be the id of a Discord server in quotes"),
        ('[discord]\nproxy = "proxy:3128"\n', "a proxy should be like http://proxy.example.org:3128"),
        ('[discord]\nproxy = "http://proxy:0"\n', "a proxy should be like http://proxy.example.org:3128"),
        ('[slack]\ntoken = "xoxb-1"\n', "unknown key 'slack.token'"),
        ("[web]\nport = 99999\n", "web.port = 99999: it should be less than or equal to 65535"),
        ("[bot\n", "is not valid TOML: Expected ']' at the end of a table declaration (at line 1, column 5)"),
        ("a = " + "[" * 5000, "is not valid TOML"),
    ],
)
def test_mistake_is_told_in_one_line_with_its_mend(text: str, said: str) -> None:
    assert said in told(text)


def test_misspelt_key_is_told_before_the_key_that_it_leaves_missing() -> None:
    assert "did you mean 'kind'" in told('[[source]]\nname = "a"\nknd = "folder"\npath = "x"\n')


def test_missing_file_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist; make one with: groundling init"):
        load(tmp_path / "groundling.toml")


def test_file_that_is_not_utf8_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "groundling.toml"
    file.write_bytes(b'[bot]\nname = "caf\xe9"\n')
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(file)


def test_folder_in_place_of_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "groundling.toml"
    file.write_bytes(b"\xef\xbb\xbf" + SOURCE.replace("\n", "\r\n").encode())
    assert load(file).source[0].path == "x"


def test_empty_file_is_the_defaults() -> None:
    assert parse("", "f.toml") == Config()


def test_nobody_reads_and_nothing_is_connected_by_default() -> None:
    config = parse(SOURCE, "f.toml")
    assert config.collection == ()
    assert not config.slack.enabled
    assert not config.discord.enabled
    assert config.access.admins == ()
    assert config.web.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("15m", 900), ("1h", 3600), ("2d", 172800), ("off", None)]
)
def test_times_are_read_in_seconds(text: str, expected: float | None) -> None:
    assert seconds(text) == expected


def test_every_key_stands_in_the_template_with_one_line_of_meaning() -> None:
    lines = template(name="handbook", path="./documents").splitlines()
    for name, section in sections().items():
        head = f"[[{name}]]" if name in LISTED else f"[{name}]"
        start = next(place for place, line in enumerate(lines) if line.removeprefix("# ") == head)
        own = lines[start : lines.index("", start) if "" in lines[start:] else None]
        for key, field in section.model_fields.items():
            place = next(n for n, line in enumerate(own) if line.removeprefix("# ").startswith(f"{key} = "))
            assert field.description
            assert own[place - 1] == f"# {field.description}", f"{name}.{key}"


def test_template_loads_and_changes_nothing_but_its_source() -> None:
    config = parse(template(name="handbook", path="./documents"), "f.toml")
    assert [(source.name, source.path) for source in config.source] == [("handbook", "./documents")]
    assert config.model_copy(update={"source": ()}) == Config()


def test_every_commented_key_of_the_template_can_be_uncommented() -> None:
    lines = template(name="handbook", path="./documents").splitlines()
    keys = {key for section in sections().values() for key in section.model_fields}
    bare = [
        line.removeprefix("# ")
        if line.startswith("# [") or line.removeprefix("# ").split(" = ")[0] in keys
        else line
        for line in lines
    ]
    table = tomllib.loads("\n".join(bare))
    parse("\n".join(bare), "f.toml")
    for name, section in sections().items():
        given = table[name][0] if name in LISTED else table[name]
        assert set(given) == set(section.model_fields)
        for key, field in section.model_fields.items():
            if not field.is_required() and field.default is not None and not field.examples:
                assert given[key] == (
                    list(field.default) if isinstance(field.default, tuple) else field.default
                )


def test_password_of_a_proxy_is_refused_and_not_shown() -> None:
    """O06."""
    line = told('[discord]\nproxy = "http://ada:secret@proxy:3128"\n')
    assert "without a name or password" in line
    assert "secret" not in line


def test_reference_in_the_docs_names_every_key_with_its_default_and_meaning() -> None:
    page = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text()
    for name in sections():
        assert "\n".join(reference(name)) in page, f"the table of {name} in docs/configuration.md"


@given(
    path=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40).filter(
        lambda path: not path.startswith("~")
    )
)
def test_any_path_survives_being_written_and_read(path: str) -> None:
    config = parse(template(name="a", path=path), "f.toml")
    assert config.source[0].path == path


@given(
    st.recursive(
        st.booleans() | st.integers(-(2**40), 2**40) | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=6,
    )
)
def test_written_values_are_toml(value: object) -> None:
    assert tomllib.loads(f"value = {toml(value)}")["value"] == value


@given(
    st.dictionaries(
        st.sampled_from([*sections(), "sauce", "x"]),
        st.one_of(
            st.none().map(lambda _: 3),
            st.text(max_size=5),
            st.lists(st.integers(), max_size=2),
            st.dictionaries(
                st.sampled_from(["name", "path", "kind", "passages", "gpu_layers", "y"]), st.booleans()
            ),
        ),
        max_size=3,
    )
)
def test_any_wrong_table_is_told_in_one_line(table: dict[str, object]) -> None:
    lines = []
    for key, value in table.items():
        inner = (
            "{" + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + "}"
            if isinstance(value, dict)
            else toml(value)
        )
        lines.append(f"{key} = {inner}".replace("\x7f", ""))
    said = ""
    try:
        parse("\n".join(lines), "f.toml")
    except ConfigError as error:
        said = str(error)
    assert "\n" not in said
