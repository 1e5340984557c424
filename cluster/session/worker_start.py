"""What Ray has each of its worker processes import first, where we start Ray. Nobody else imports it."""

from reeltune.cluster.session.garbage import look_rarely

look_rarely()
