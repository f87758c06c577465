"""Predictive coding by FabricPC, on activations and on errors."""

import jax
import numpy
import optax
import torch
from fabricpc.core.activations import IdentityActivation, ReLUActivation, SoftmaxActivation
from fabricpc.core.energy import CrossEntropyEnergy
from fabricpc.core.inference import InferenceSGD
from fabricpc.core.inference_epc import EPCInference
from fabricpc.core.topology import Edge
from fabricpc.core.types import GraphParams
from fabricpc.graph_assembly import TaskMap, graph
from fabricpc.graph_initialization import initialize_params
from fabricpc.nodes import Linear
from fabricpc.training.trainer import make_train_step

from peer import Peer

BATCH = 64
RATE = 1e-3


def structure(model, inference):
    """Returns the graph of a network of dense layers with relu."""
    sizes = [stage.layer.out_features for stage in model.stages]
    nodes = [Linear(shape=(model.stages[0].layer.in_features,), name="0", activation=IdentityActivation())]
    for number, size in enumerate(sizes[:-1], 1):
        nodes.append(Linear(shape=(size,), name=str(number), activation=ReLUActivation()))
    head = {"activation": SoftmaxActivation(), "energy": CrossEntropyEnergy()}
    nodes.append(Linear(shape=(sizes[-1],), name=str(len(sizes)), **head))
    edges = [Edge(source=first, target=second.slot("in")) for first, second in zip(nodes, nodes[1:])]
    return graph(nodes=nodes, edges=edges, task_map=TaskMap(x=nodes[0], y=nodes[-1]), inference=inference)


def parameters(model, params):
    """Returns parameters of a graph with the weights of a network."""
    nodes = dict(params.nodes)
    for number, stage in enumerate(model.stages, 1):
        own = nodes[str(number)]
        (edge,) = own.weights
        weight = jax.numpy.array(stage.layer.weight.detach().numpy().T)
        bias = jax.numpy.array(stage.layer.bias.detach().numpy()).reshape(own.biases["b"].shape)
        nodes[str(number)] = own._replace(weights={edge: weight}, biases={"b": bias})
    return GraphParams(nodes=nodes)


def write_back(model, params):
    """Gives a network the weights of a graph."""
    with torch.no_grad():
        for number, stage in enumerate(model.stages, 1):
            own = params.nodes[str(number)]
            (weight,) = own.weights.values()
            stage.layer.weight.copy_(torch.from_numpy(numpy.array(weight).T.copy()))
            stage.layer.bias.copy_(torch.from_numpy(numpy.array(own.biases["b"]).reshape(-1).copy()))


def trained_by(inference):
    """Returns the function that trains by a form of inference."""

    def train(model, problem, epochs):
        graph_structure = structure(model, inference())
        key = jax.random.PRNGKey(0)
        params = parameters(model, initialize_params(graph_structure, key))
        optimizer = optax.adam(RATE)
        state = optimizer.init(params)
        step = make_train_step(graph_structure, optimizer)
        for epoch in range(epochs):
            for inputs, labels in problem.batches(epoch, is_full=False):
                truth = torch.nn.functional.one_hot(labels, model.stages[-1].layer.out_features).float()
                batch = {"x": jax.numpy.array(inputs.numpy()), "y": jax.numpy.array(truth.numpy())}
                params, state, _, _ = step(params, state, batch, key)
        write_back(model, params)

    return train


PEERS = [
    Peer(
        "predictive-coding-errors",
        "FabricPC",
        BATCH,
        ("--method", "predictive-coding", "--learning-rate", str(RATE)),
        trained_by(lambda: EPCInference(eta_infer=1e-3, infer_steps=5)),
    ),
    Peer(
        "predictive-coding-activations",
        "FabricPC",
        BATCH,
        ("--method", "predictive-coding", "--variables", "activations", "--learning-rate", str(RATE)),
        trained_by(lambda: InferenceSGD(eta_infer=0.1, infer_steps=20)),
    ),
]
