"""Cells that show what a kernel offers to user code; a forked kernel and a cold one must give the same results."""

# Each cell adds results to `seen`. Environment variables come first: libraries read them when they are imported.
CELLS = {
    "threads": """
import os
os.environ["OMP_NUM_THREADS"] = "1"
import numpy as np, sklearn.ensemble, threadpoolctl, pyarrow
seen["pools"] = sorted({pool["num_threads"] for pool in threadpoolctl.threadpool_info()})
seen["arrow"] = pyarrow.cpu_count()
""",
    "environment": """
for name in ("MPLBACKEND", "TERM", "PAGER", "GREETING", "PYTHONPATH", "MILLRACE_ROOT"):
    seen[f"environment {name}"] = os.environ.get(name)
seen["folder"] = [os.getcwd(), get_ipython().run_line_magic("pwd", ""), _dh[-1].__fspath__() if _dh else None]
seen["argv"] = [os.path.basename(sys.argv[0]), sys.argv[1]]
seen["path"] = sys.path
seen["flags"] = str(sys.flags)
seen["prefix"] = [sys.executable, sys.prefix, sys.getrecursionlimit(), sys.getswitchinterval()]
seen["main"] = [__name__, sys.modules["__main__"].__dict__ is globals(), hasattr(sys.modules["__main__"], "__file__"),
                sys.modules["__main__"].__spec__ is None]
program = "import os, sys; print(os.environ.get('MPLBACKEND'), os.environ.get('PAGER'), sys.flags.safe_path)"
seen["child's environment"] = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
seen["locale"] = [sys.getfilesystemencoding(), sys.stdout.encoding, sys.flags.utf8_mode]
seen["umask"] = os.umask(0o022)
""",
    "multiprocessing": """
import multiprocessing as mp
seen["start method"] = [mp.get_start_method(), mp.get_start_method(allow_none=True), mp.current_process().name,
                        mp.parent_process() is None]
FACTOR = 3
def multiply(number):
    return number * FACTOR
FACTOR = 5
with mp.Pool(2) as pool:
    seen["pool"] = pool.map(multiply, range(4))
queue = mp.Queue()
process = mp.Process(target=queue.put, args=(FACTOR,))
process.start()
seen["queue"] = queue.get(timeout=60)
process.join()
seen["exit code"] = process.exitcode
with mp.Manager() as manager:
    shared = manager.dict(answer=42)
    seen["manager"] = dict(shared)
with mp.get_context("spawn").Pool(1) as pool:
    seen["spawned"] = pool.map(abs, [-1, -2])
""",
    "executors": """
import concurrent.futures, joblib, threading
with concurrent.futures.ProcessPoolExecutor(2) as executor:
    seen["process pool"] = list(executor.map(multiply, range(4)))
with concurrent.futures.ThreadPoolExecutor(2) as executor:
    seen["thread pool"] = list(executor.map(multiply, range(4)))
seen["loky"] = joblib.Parallel(2)(joblib.delayed(multiply)(number) for number in range(4))
parallel = joblib.Parallel(2, backend="threading")
seen["joblib threads"] = parallel(joblib.delayed(multiply)(number) for number in range(4))
seen["current thread"] = [threading.current_thread().name, threading.current_thread() is threading.main_thread()]
done = threading.Event()
threading.Timer(0.01, done.set).start()
seen["timer"] = done.wait(60)
""",
    "asyncio": """
import asyncio
async def double(number):
    await asyncio.sleep(0.01)
    return 2 * number
seen["gather"] = await asyncio.gather(*(double(number) for number in range(3)))
process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(6 * 7)", stdout=asyncio.subprocess.PIPE)
seen["async child"] = (await process.communicate())[0].decode()
seen["to thread"] = await asyncio.to_thread(multiply, 2)
seen["loop"] = type(asyncio.get_running_loop()).__name__
""",
    "subprocess": """
seen["child"] = subprocess.run("echo out; echo err >&2; exit 3", shell=True, capture_output=True, text=True).returncode
seen["shell"] = get_ipython().getoutput("echo hello")
seen["stdin"] = subprocess.run(["cat"], capture_output=True, text=True, timeout=60).stdout
os.system("echo from a shell")
os.write(1, b"from descriptor 1\\n")
os.write(2, b"from descriptor 2\\n")
try:
    input()
except Exception as error:
    seen["input"] = type(error).__name__
seen["descriptors"] = [os.isatty(number) for number in (0, 1, 2)]
""",
    "signals": """
import signal, time
seen["handlers"] = {name: str(signal.getsignal(getattr(signal, name))).split(" at ")[0]
                    for name in ("SIGINT", "SIGTERM", "SIGCHLD", "SIGPIPE", "SIGALRM", "SIGUSR1", "SIGHUP")}
seen["blocked"] = sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))
ticks = []
signal.signal(signal.SIGALRM, lambda *arguments: ticks.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.01)
time.sleep(0.1)
seen["alarm"] = ticks
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
except KeyboardInterrupt:
    seen["interrupt"] = True
child = subprocess.Popen(["sleep", "60"])
child.terminate()
seen["child's signal"] = child.wait()
seen["child's handlers"] = subprocess.run(
    [sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGPIPE))"],
    capture_output=True, text=True).stdout.split(" at ")[0]
seen["session"] = [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()]
""",
    "random": """
import random, uuid, tempfile, secrets
drawn = [random.random(), float(np.random.rand()), float(np.random.default_rng().random()), str(uuid.uuid4()),
         secrets.token_hex(8), os.path.basename(tempfile.mktemp())]
random.seed(3); np.random.seed(3)
seen["seeded"] = [random.random(), float(np.random.rand())]
""",
    "logging": """
import logging, warnings
seen["logging"] = [logging.getLogger().level, len(logging.getLogger().handlers), logging.root.manager.disable,
                   logging.getLogger("mine").getEffectiveLevel()]
logging.getLogger("mine").warning("a warning of the log")
logging.getLogger("mine").info("not shown")
seen["foreign streams"] = sorted(
    f"{name} {handler!r}" for name, logger in logging.root.manager.loggerDict.items()
    for handler in getattr(logger, "handlers", ())
    if getattr(handler, "stream", None) in (sys.__stdout__, sys.__stderr__))
""",
    "mlflow": """
import mlflow
logging.getLogger("mlflow").warning("a warning of MLflow")
""",
    "warnings": """
warnings.warn("deprecated", DeprecationWarning)
warnings.warn("for users")
def twice():
    warnings.warn("only once")
twice(); twice()
""",
    "atexit": """
import atexit, pathlib
atexit.register(pathlib.Path(exit_file).touch)
""",
    "figure": """
import matplotlib, matplotlib.pyplot as plt, pandas as pd
seen["backend"] = [matplotlib.get_backend(), plt.rcParams["figure.dpi"], plt.isinteractive()]
plt.plot([1, 2]);
""",
    "tables": """
seen["pandas"] = [pd.get_option("display.max_columns"), pd.get_option("display.width"), str(np.geterr())]
from tqdm.auto import tqdm
seen["bar"] = tqdm.__module__
seen["error state"] = [str(sys.exc_info()), sys.gettrace() is None, __import__("gc").isenabled()]
pd.DataFrame({"a": [1]})
""",
}
