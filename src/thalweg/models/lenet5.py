"""LeNet-5 as the studies use it, and its tanh variant."""

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, relu

from thalweg.errors import InputError
from thalweg.validation import Options

SHAPE = (1, 28, 28)


class LeNet5Options(Options):
    """The network is fixed: there is nothing to choose."""


class LeNet5(nn.Module):
    """conv 1→6 5×5, conv 6→16 5×5, each with ReLU and 2×2 max-pooling, then 256→120→84→outputs.

    44,426 parameters with 10 outputs. Inputs ``(B, 1, 28, 28)``, outputs ``(B, outputs)``.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 4 * 4, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, outputs)

    def forward(self, x: Tensor) -> Tensor:
        # ReLU is monotone, so it commutes with the maximum; after pooling it has a quarter of
        # the elements. Gradients agree too: where several elements tie, both orders pick the
        # first, or pass nothing because the maximum is not positive.
        x = relu(max_pool2d(self.conv1(channels_last(x)), 2))
        x = relu(max_pool2d(self.conv2(x), 2))
        x = relu(self.fc1(x.flatten(1)))
        x = relu(self.fc2(x))
        out: Tensor = self.fc3(x)
        return out


class LeNet5Tanh(nn.Module):
    """The same layers with tanh and average pooling on the image zero-padded to 32×32.

    61,706 parameters with 10 outputs: conv1 gives 6@28×28 and conv2 16@10×10, so that fc1 reads
    400 features. Closer to LeCun et al., Proc. IEEE 86 (1998), than `LeNet5`.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = avg_pool2d(self.conv1(channels_last(x)).tanh(), 2)
        x = avg_pool2d(self.conv2(x).tanh(), 2)
        x = self.fc1(x.flatten(1)).tanh()
        x = self.fc2(x).tanh()
        out: Tensor = self.fc3(x)
        return out


def channels_last(x: Tensor) -> Tensor:
    """Return one-channel images ``(B, 1, H, W)`` with the strides of the channels-last layout.

    PyTorch's CPU convolutions and poolings are a third faster in that layout, and each hands it
    to the next. With one channel both layouts are the same memory, and PyTorch's own conversion
    changes nothing, so what follows would stay channels-first. The view made here costs nothing
    and works under ``vmap``, which has no rule for the conversion.
    """
    if x.device.type != "cpu":
        return x
    B, _, H, W = x.shape
    return x.reshape(B, H, W, 1).permute(0, 3, 1, 2)


def lenet5(options: LeNet5Options, shape: tuple[int, ...], outputs: int) -> nn.Module:
    check_shape("lenet5", shape)
    return LeNet5(outputs)


def lenet5_tanh(options: LeNet5Options, shape: tuple[int, ...], outputs: int) -> nn.Module:
    check_shape("lenet5-tanh", shape)
    return LeNet5Tanh(outputs)


def check_shape(name: str, shape: tuple[int, ...]) -> None:
    if shape != SHAPE:
        raise InputError(f"model {name!r}: takes inputs of shape {SHAPE}, not {shape}")
