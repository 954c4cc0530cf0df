"""Chatter of native code is kept from the terminal, and nothing else is."""

import os
import threading

from modelport.runtimes.tensorflow.stderr import quiet_stderr


def test_only_chatter_is_kept_back(capfd):
    with quiet_stderr():
        os.write(2, b"I0000 00:00:17 port.cc:153] oneDNN custom operations are on.\n")
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        os.write(2, b"E0000 00:00:17 something broke\n")
        os.write(2, b"said by somebody else\n")
    os.write(2, b"I0000 afterwards\n")
    assert capfd.readouterr().err == "E0000 00:00:17 something broke\nsaid by somebody else\nI0000 afterwards\n"


def test_threads_do_not_take_the_terminal_from_each_other(capfd):
    before = os.fstat(2).st_ino
    inside, leave = threading.Event(), threading.Event()

    def first():
        with quiet_stderr():
            inside.set()
            leave.wait(10)

    def second():
        with quiet_stderr():
            pass

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    inside.wait(10)
    threads[1].start()
    threads[1].join(0.2)  # it must wait for the first
    assert threads[1].is_alive()
    leave.set()
    for thread in threads:
        thread.join(10)
    assert os.fstat(2).st_ino == before
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
