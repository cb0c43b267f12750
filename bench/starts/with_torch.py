"""PyTorch, eager: the usual loop, batches by index, the fused Adam."""

import torch
from torch import nn

from starts import digits

(X, y), (X_held, y_held) = digits.load()
X, y, X_held = torch.from_numpy(X), torch.from_numpy(y), torch.from_numpy(X_held)
torch.manual_seed(digits.JOB["seed"])
model = nn.Sequential(
    nn.Linear(X.shape[1], digits.HIDDEN), nn.ReLU(), nn.Linear(digits.HIDDEN, digits.CLASSES)
)
loss_of = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=digits.LEARNING_RATE, fused=True)
epoch, reached = 0, False
while not reached:
    for index in torch.randperm(len(X)).split(digits.BATCH):
        optimizer.zero_grad()
        loss_of(model(X[index]), y[index]).backward()
        optimizer.step()
    epoch += 1
    with torch.no_grad():
        reached = digits.enough(y_held, model(X_held).argmax(dim=1).numpy(), epoch)
