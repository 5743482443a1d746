import subprocess
import sys

import numpy as np

import relweave as rw


def test_xwines_is_whole():
    data = rw.datasets.load_xwines()
    train, test = data.split()

    assert len(data.items["wine"]) == 1007
    assert data.vectors.shape == (1007, 384)
    assert data.vectors.dtype == np.float32
    assert (len(train), len(test)) == (134_950, 15_050)
    assert train.report().repeats == 0
    assert data.catalog().type_names[0] == "Dessert"
    assert (
        data.items["title"][0]
        in data.catalog().texts()[data.catalog().find(data.items["wine"][:1])[0]]
    )


def test_neither_pandas_nor_a_plot_library_is_needed():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['pandas','tqdm','matplotlib','scipy']));"
        "import relweave as rw; d = rw.datasets.load_xwines(); tr, te = d.split();"
        "m = rw.baselines.Popularity().fit(tr, d.catalog()); print(rw.evaluate(m, te).k)"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert result.stdout.strip() == "10", result.stderr
