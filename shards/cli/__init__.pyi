"""The names that this room gives to others."""

from .exit_codes import PROBLEMS as PROBLEMS
from .exit_codes import SAVED as SAVED
from .exit_codes import WRONG_USAGE as WRONG_USAGE
from .exit_codes import one_line_errors as one_line_errors
from .options import DEBUG_OPTION as DEBUG_OPTION
from .options import JSON_OPTION as JSON_OPTION
from .options import ROOTS_OPTION as ROOTS_OPTION
from .options import flag as flag
from .options import num_cores as num_cores
from .output import console as console
from .output import emit as emit
from .output import facts_table as facts_table
from .output import print_examples as print_examples
from .page import page_template as page_template
from .program import new_program as new_program
from .program import start as start
from .program import start_command as start_command
from .progress import Progress as Progress
from .progress import show_progress as show_progress
from .units import human_bytes as human_bytes
