"""The architectures by name. To add one: a small file like `cnn`, and a line here."""

from weathervane.training.architectures.architecture import Architecture
from weathervane.training.architectures.cnn import CNN, SMALL_CNN
from weathervane.training.architectures.efficientnetb0 import EFFICIENTNETB0
from weathervane.training.architectures.mobilenetv2 import MOBILENETV2

__all__ = ["ARCHITECTURES", "Architecture"]

ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (CNN, SMALL_CNN, MOBILENETV2, EFFICIENTNETB0)
}
