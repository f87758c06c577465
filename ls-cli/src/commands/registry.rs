//! The macro behind the registries of commands.

/// Makes an enum of subcommands for clap and its dispatch, from lines `Name(file::Arguments)`.
///
/// Each file has a function `run(&Arguments, &Context) -> Result<ExitCode, Failure>`. Name and help of a subcommand are those of the
/// variant and of the arguments.
macro_rules! subcommands {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $enum:ident {
            $($name:ident($file:ident::$arguments:ident)),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, clap::Subcommand)]
        $visibility enum $enum {
            $($name(Box<$file::$arguments>),)*
        }

        impl $enum {
            /// Runs the subcommand.
            ///
            /// # Errors
            /// The failure to print, with its exit code.
            $visibility fn run(
                &self,
                context: &$crate::commands::Context<'_>,
            ) -> Result<std::process::ExitCode, $crate::failure::Failure> {
                match self {
                    $(Self::$name(arguments) => $file::run(arguments, context),)*
                }
            }
        }
    };
}

pub(in crate::commands) use subcommands;
