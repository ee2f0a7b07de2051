"""Gradient boosted trees: CSV (label first, no header) or libsvm in, file `xgboost-model` out."""

from penstock_algorithms.contract import Algorithm
from penstock_algorithms.xgboost.predicting import load
from penstock_algorithms.xgboost.settings import XgboostSettings
from penstock_algorithms.xgboost.training import train

ALGORITHM = Algorithm(settings=XgboostSettings, train=train, load=load)
