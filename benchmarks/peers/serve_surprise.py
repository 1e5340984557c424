"""Surprise's SVD, at its defaults, behind FastAPI on uvicorn, as benchmarks/serve.py calls it.

    python serve_surprise.py FOLDER

FOLDER has fit.parquet (user, item, rating). The endpoints take what those of `reeltune serve` take. There is no
batching: Surprise rates one pair at a time.
"""

import socket
import sys
from pathlib import Path

import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from surprise import SVD, Dataset, Reader


class Pair(BaseModel):
    user: str
    item: str


class Pairs(BaseModel):
    pairs: list[Pair]


class Wanted(BaseModel):
    users: list[str]
    n: int = 10


class Prediction(BaseModel):
    prediction: float


class Row(BaseModel):
    item: str
    rating: float


frame = pd.read_parquet(Path(sys.argv[1]) / "fit.parquet")
model = SVD(random_state=42).fit(Dataset.load_from_df(frame, Reader(rating_scale=(1, 5))).build_full_trainset())
items = frame["item"].unique().tolist()
app = FastAPI()


@app.post("/predict")
async def predict(asked: Pairs) -> list[Prediction]:
    return [Prediction(prediction=model.predict(pair.user, pair.item).est) for pair in asked.pairs]


@app.post("/recommend")
async def recommend(asked: Wanted) -> list[list[Row]]:
    rated = [[Row(item=item, rating=model.predict(user, item).est) for item in items] for user in asked.users]
    return [sorted(rows, key=lambda row: -row.rating)[: asked.n] for rows in rated]


listening = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listening.getsockname()[1]}: Surprise", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listening])
